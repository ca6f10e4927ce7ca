"""`tulle check`: facts gathered at once, judged by pure functions, printed in order."""
