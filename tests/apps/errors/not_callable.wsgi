"""A script whose application cannot be called."""
application = "text"
