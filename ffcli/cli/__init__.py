"""The command line: parses options, calls one function of ``ffcli.services``, prints results and messages."""
