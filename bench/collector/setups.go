package collector

// The exporters that are compared. A nop exporter is what receiving costs.
var (
	Nop = Setup{Name: "nop", Exporter: "nop", YAML: "  nop:"}

	File = Setup{Name: "fileexporter json", Exporter: "file", YAML: "  file: {path: $DIR/logs.json}"}

	Audit = Setup{Name: "audit, default", Exporter: "audit", YAML: "  audit: {directory: $DIR/audit}"}

	Audit10k = Setup{
		Name: "audit, batch_size 10000", Exporter: "audit",
		YAML: "  audit: {directory: $DIR/audit, flush: {batch_size: 10000}}",
	}

	// FileStorage is how one keeps records over a crash without this exporter: a
	// queue on disk in front of the network.
	FileStorage = Setup{
		Name: "otlp exporter, file_storage queue, fsync", Exporter: "otlp",
		YAML: `  otlp:
    endpoint: $SINK
    tls: {insecure: true}
    sending_queue: {storage: file_storage, block_on_overflow: true}`,
		Extensions: "file_storage: {directory: $DIR, fsync: true}",
		Names:      "file_storage",
	}
)
