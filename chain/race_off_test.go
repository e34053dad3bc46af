//go:build !race

package chain_test

const fewer = 1
