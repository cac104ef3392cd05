"""What every other package stands on: checks with their messages, arrays, display, colours."""
