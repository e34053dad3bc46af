//go:build race

package chain_test

// fewer divides what is drawn at random: the race detector is ten times slower
// and learns nothing from the thousandth run.
const fewer = 10

// every so many operations one fails or is the last: each does without the race
// detector.
const every = 4
