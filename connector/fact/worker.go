package fact

// WorkerChannel is the prefix of the parts of an agent that are task channels: one is
// named prefix + the channel's unique name.
const WorkerChannel = "channel:"

// Names of the values of a WorkerChannel.
const (
	Capacity     = "capacity"      // how many tasks of the channel the agent may have at once
	Available    = "available"     // whether the agent takes tasks of the channel
	FreeCapacity = "free_capacity" // per cent of the capacity, as last told
)
