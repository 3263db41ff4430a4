"""Wizards: dialogs with buttons for those who do not want to write a command's arguments. One file for each."""
