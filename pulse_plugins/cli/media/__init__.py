"""Reading recordings: any container that PyAV decodes, with the time of each piece of audio."""
