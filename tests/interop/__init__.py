"""Real peers (SIPp, PJSUA2) through the real server, on free ports of 127.0.0.0/8."""
