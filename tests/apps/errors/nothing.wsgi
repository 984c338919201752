"""A script without an application."""
something_else = 1
