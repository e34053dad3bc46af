// Package auditexporter is the OpenTelemetry Collector exporter "audit": it writes every log record
// to a hash-chained audit log on local disk and acknowledges as its flush mode says.
//
// The package holds the component's type, configuration, defaults and validation. What runs is
// package exporter.
package auditexporter

// mdatagen takes the name of the checkout's folder for the package's and a fixed directory for its
// lifecycle test, so its component tests go; factory_test.go has what they hold, and more.
//
//go:generate go tool -modfile=internal/tools/go.mod mdatagen metadata.yaml
//go:generate rm -f generated_component_test.go generated_package_test.go
