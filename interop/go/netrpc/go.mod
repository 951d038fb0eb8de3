module motet.dev/interop/netrpc

go 1.24
