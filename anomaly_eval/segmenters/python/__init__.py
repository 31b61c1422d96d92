"""Networks that are Python itself: modules and functions of users, from a file that they named, or handed over."""
