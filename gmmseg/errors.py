"""The one exception that users meet."""


class InputError(Exception):
    """Something the user gave cannot be used.

    The message is one clear sentence that names the file or value and the remedy. The command line prints it
    without a traceback and exits with code 2.
    """
