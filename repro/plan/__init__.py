"""What a run would take, found out without training: time, memory, disk, data and weights."""
