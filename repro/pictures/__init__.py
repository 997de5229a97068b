"""Pictures of nets: functions of the states of several arms, by name, that give an image."""
