//go:build race

package chain_test

// fewer divides what is drawn at random: the race detector is ten times slower
// and learns nothing from the thousandth run.
const fewer = 10
