"""Does it work? A network whose mistake we planted, and the check that its explanation finds the mistake."""
