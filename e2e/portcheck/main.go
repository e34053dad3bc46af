// Command portcheck says which of some loopback ports is in use, before a server trips over it.
//
// Each argument is NAME=PORT, NAME being the setting that chooses another port. It exits 1 and names
// the ports that are busy.
package main

import (
	"fmt"
	"net"
	"os"
	"strings"
)

func main() {
	busy := false
	for _, arg := range os.Args[1:] {
		name, port, _ := strings.Cut(arg, "=")
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if err != nil {
			busy = true
			fmt.Fprintf(os.Stderr, "couldn't use port %s: %v\n  stop what uses it (another make run?), or choose another: make run %s=...\n", port, err, name)
			continue
		}
		l.Close()
	}
	if busy {
		os.Exit(1)
	}
}
