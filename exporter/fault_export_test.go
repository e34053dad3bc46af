package exporter

// Refuse turns an error of a Committer into the answer that a client gets.
var Refuse = refuse
