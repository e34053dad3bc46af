package flush

// tidy has the log do beside everything else what no request need wait for. If a disk hangs in it, it is
// not called again. c.mu is held.
func (c *Committer[B]) tidy() {
	c.untidy = true
	if c.tidying {
		return
	}
	c.tidying = true
	go c.tidyUp()
}

func (c *Committer[B]) tidyUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.untidy && !c.gone {
		c.untidy = false
		c.mu.Unlock()
		c.log.Tidy()
		c.mu.Lock()
	}
	c.tidying = false
}
