module countersign.invalid/verify

go 1.18

require golang.org/x/mod v0.12.0
