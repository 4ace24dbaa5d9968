"""The command line: options in, one function of ``ffcli.services`` called, results and messages out."""
