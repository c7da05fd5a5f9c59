"""Tests of the SIP edge: real sockets on 127.0.0.0/8 and ::1, no sleeping."""
