"""Files that are whole or not there, room on the disk, and the writing of databases."""
