package main

import (
	"go-micro.dev/v5/client"
	"go-micro.dev/v5/server"
)

// Version 5 has no plugin for gRPC that can be fetched.

func newServer(_ string, options ...server.Option) server.Server { return server.NewServer(options...) }

func newClient(_ string, options ...client.Option) client.Client { return client.NewClient(options...) }
