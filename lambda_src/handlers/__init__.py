"""The functions' entry points, one file each: read the event, call the rooms, return. No decisions here."""
