// Package judge holds a log to the checkpoints that an auditor trusts.
//
// The chain shows that nothing within a log was changed. That its end was not cut
// off, or all of it made anew from some entry on, only a checkpoint can show: a
// statement, signed when the entries stood there, of how many there were and what
// they were. [Trust.Examine] takes the checkpoints that lie beside the log and
// those that the auditor has kept, and tells up to which entry they vouch, by
// whose clock, and what they do not.
//
// # What it can't show
//
// A checkpoint vouches for what came before it. Entries after the newest one that
// the auditor has, and a log set back to an older state of its folder, checkpoints
// included, look like a log that is younger: only a checkpoint kept elsewhere, or
// a witness, tells. Whoever holds the key can sign another history from the newest
// checkpoint on that he can't take back.
package judge
