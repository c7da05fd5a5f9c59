"""Sockets and names of the SIP endpoint: all of its input and output."""
