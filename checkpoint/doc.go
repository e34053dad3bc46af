// Package checkpoint makes, keeps and checks signed statements of a log's head.
package checkpoint
