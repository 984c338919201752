"""A script without the functions that are asked for."""
check_password = groups_for_user = 5
