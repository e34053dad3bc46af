// Package idindex is an index of the record ids that a log holds, so that a
// record that comes again is recognised.
//
// It is derived: everything in it can be read from the log again, so its loss
// costs time, and never an event. It knows nothing of the log's format; its
// caller adds only what is synced there, and at opening drops what the log does
// not have ([Index.Newest], [Index.DropNewest]) and adds what it has beyond.
//
// # Shape
//
// New records are collected in a table in memory. A full table is written as a
// run: a file of records sorted by key, with the range of sequence numbers that
// it covers, which is never changed. Neighbouring runs are merged in the
// background, and whole runs are forgotten from the oldest on, by number and by
// age. For each run a filter and the first key of each block stay in memory, so a
// key that is not known costs no read, and one that is costs one block.
//
// # Bounds
//
// With n records in runs: memory 2.13 n bytes, and up to 16 tables of 65,536
// records, of about 100 bytes each; on disk 65 n bytes, and once more what is
// being merged. Opening reads 2.13 n bytes. n is at most 9/8 of
// Options.MaxRecords, and one table more.
//
// # A run's file
//
// Its name is <first seq, 20 digits>-<last seq, 20 digits>.ids. All numbers are
// little-endian, all checksums CRC-32C.
//
//	block 0     "auditlog ids v1\n", log id (16), first seq (8), last seq (8),
//	            hash of the last entry (32), records (8), oldest and newest time
//	            (8, 8), blocks of the filter (8), checksum of all behind the
//	            records' blocks (4); at 4092 the checksum of the block
//	blocks 1..  63 records each; at 4088 the block's number (4), its checksum (4)
//	            fences: the first 8 bytes of the first key of each block
//	            filter: blocks of 8 words of 64 bits
//
// A record is its key (16), digest (24), sequence number (8), the first bytes of
// its entry's hash (8), and milliseconds since 1970 times 256 plus its kind (8).
package idindex
