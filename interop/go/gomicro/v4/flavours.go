package main

import (
	grpcclient "github.com/go-micro/plugins/v4/client/grpc"
	grpcserver "github.com/go-micro/plugins/v4/server/grpc"
	"go-micro.dev/v4/client"
	"go-micro.dev/v4/server"
)

func newServer(flavour string, options ...server.Option) server.Server {
	if flavour == "grpc" {
		return grpcserver.NewServer(options...)
	}
	return server.NewServer(options...)
}

func newClient(flavour string, options ...client.Option) client.Client {
	if flavour == "grpc" {
		return grpcclient.NewClient(options...)
	}
	return client.NewClient(options...)
}
