//go:build tools

// Package interop names the programs that interop/run builds, so that go.mod and go.sum hold their
// exact versions.
package interop

import (
	_ "google.golang.org/grpc/interop/client"
	_ "google.golang.org/grpc/interop/server"
)
