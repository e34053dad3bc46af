//go:build !race

package chain_test

const fewer = 1

const every = 1
