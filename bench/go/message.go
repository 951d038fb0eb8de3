package main

import "motet.test/bench/pb"

//go:generate protoc --proto_path=../proto --go_out=pb --go_opt=paths=source_relative --go_opt=Mbench.proto=motet.test/bench/pb bench.proto

const text = "许多往事在眼前一幕一幕，变的那麼模糊"

// bigRequest is the message of the rpcx benchmark, 581 bytes as protobuf.
var bigRequest = &pb.BenchmarkMessage{
	Field1:   text,
	Field9:   text,
	Field18:  text,
	Field80:  true,
	Field81:  true,
	Field2:   100_000,
	Field3:   100_000,
	Field280: 100_000,
	Field6:   100_000,
	Field22:  100_000,
	Field4:   text,
	Field59:  true,
	Field7:   text,
	Field16:  100_000,
	Field130: 100_000,
	Field12:  true,
	Field17:  true,
	Field13:  true,
	Field14:  true,
	Field104: 100_000,
	Field100: 100_000,
	Field101: 100_000,
	Field102: text,
	Field103: text,
	Field29:  100_000,
	Field30:  true,
	Field60:  100_000,
	Field271: 100_000,
	Field272: 100_000,
	Field150: 100_000,
	Field23:  100_000,
	Field24:  true,
	Field25:  100_000,
	Field78:  true,
	Field67:  100_000,
	Field68:  100_000,
	Field128: 100_000,
	Field129: text,
	Field131: 100_000,
}

var smallRequest = &pb.Pair{First: 0x0123_4567_89ab_cdef, Second: 1}

// Plain is the big message for encodings that take Go's own structs.
type Plain struct {
	Field1   string   `json:"field1,omitempty"`
	Field9   string   `json:"field9,omitempty"`
	Field18  string   `json:"field18,omitempty"`
	Field80  bool     `json:"field80,omitempty"`
	Field81  bool     `json:"field81,omitempty"`
	Field2   int32    `json:"field2,omitempty"`
	Field3   int32    `json:"field3,omitempty"`
	Field280 int32    `json:"field280,omitempty"`
	Field6   int32    `json:"field6,omitempty"`
	Field22  int64    `json:"field22,omitempty"`
	Field4   string   `json:"field4,omitempty"`
	Field5   []uint64 `json:"field5,omitempty"`
	Field59  bool     `json:"field59,omitempty"`
	Field7   string   `json:"field7,omitempty"`
	Field16  int32    `json:"field16,omitempty"`
	Field130 int32    `json:"field130,omitempty"`
	Field12  bool     `json:"field12,omitempty"`
	Field17  bool     `json:"field17,omitempty"`
	Field13  bool     `json:"field13,omitempty"`
	Field14  bool     `json:"field14,omitempty"`
	Field104 int32    `json:"field104,omitempty"`
	Field100 int32    `json:"field100,omitempty"`
	Field101 int32    `json:"field101,omitempty"`
	Field102 string   `json:"field102,omitempty"`
	Field103 string   `json:"field103,omitempty"`
	Field29  int32    `json:"field29,omitempty"`
	Field30  bool     `json:"field30,omitempty"`
	Field60  int32    `json:"field60,omitempty"`
	Field271 int32    `json:"field271,omitempty"`
	Field272 int32    `json:"field272,omitempty"`
	Field150 int32    `json:"field150,omitempty"`
	Field23  int32    `json:"field23,omitempty"`
	Field24  bool     `json:"field24,omitempty"`
	Field25  int32    `json:"field25,omitempty"`
	Field78  bool     `json:"field78,omitempty"`
	Field67  int32    `json:"field67,omitempty"`
	Field68  int32    `json:"field68,omitempty"`
	Field128 int32    `json:"field128,omitempty"`
	Field129 string   `json:"field129,omitempty"`
	Field131 int32    `json:"field131,omitempty"`
}

// PlainPair is the small one.
type PlainPair struct {
	First  uint64 `json:"first"`
	Second uint64 `json:"second"`
}

var plainBigRequest = &Plain{
	Field1:   text,
	Field9:   text,
	Field18:  text,
	Field80:  true,
	Field81:  true,
	Field2:   100_000,
	Field3:   100_000,
	Field280: 100_000,
	Field6:   100_000,
	Field22:  100_000,
	Field4:   text,
	Field59:  true,
	Field7:   text,
	Field16:  100_000,
	Field130: 100_000,
	Field12:  true,
	Field17:  true,
	Field13:  true,
	Field14:  true,
	Field104: 100_000,
	Field100: 100_000,
	Field101: 100_000,
	Field102: text,
	Field103: text,
	Field29:  100_000,
	Field30:  true,
	Field60:  100_000,
	Field271: 100_000,
	Field272: 100_000,
	Field150: 100_000,
	Field23:  100_000,
	Field24:  true,
	Field25:  100_000,
	Field78:  true,
	Field67:  100_000,
	Field68:  100_000,
	Field128: 100_000,
	Field129: text,
	Field131: 100_000,
}

var plainSmallRequest = &PlainPair{First: 0x0123_4567_89ab_cdef, Second: 1}

// answerBig is the handler of frameworks that give it a reply to fill.
func answerBig(request, reply *pb.BenchmarkMessage) {
	reply.Field9 = request.Field9
	reply.Field18 = request.Field18
	reply.Field80 = request.Field80
	reply.Field81 = request.Field81
	reply.Field3 = request.Field3
	reply.Field280 = request.Field280
	reply.Field6 = request.Field6
	reply.Field22 = request.Field22
	reply.Field4 = request.Field4
	reply.Field5 = request.Field5
	reply.Field59 = request.Field59
	reply.Field7 = request.Field7
	reply.Field16 = request.Field16
	reply.Field130 = request.Field130
	reply.Field12 = request.Field12
	reply.Field17 = request.Field17
	reply.Field13 = request.Field13
	reply.Field14 = request.Field14
	reply.Field104 = request.Field104
	reply.Field100 = request.Field100
	reply.Field101 = request.Field101
	reply.Field102 = request.Field102
	reply.Field103 = request.Field103
	reply.Field29 = request.Field29
	reply.Field30 = request.Field30
	reply.Field60 = request.Field60
	reply.Field271 = request.Field271
	reply.Field272 = request.Field272
	reply.Field150 = request.Field150
	reply.Field23 = request.Field23
	reply.Field24 = request.Field24
	reply.Field25 = request.Field25
	reply.Field78 = request.Field78
	reply.Field67 = request.Field67
	reply.Field68 = request.Field68
	reply.Field128 = request.Field128
	reply.Field129 = request.Field129
	reply.Field131 = request.Field131
	reply.Field1, reply.Field2 = "OK", 100
}

func answerSmall(request, reply *pb.Pair) {
	reply.First, reply.Second = request.First, request.Second+1
}

// checkBig is what a client does with a reply.
func checkBig(reply *pb.BenchmarkMessage, err error) error {
	if err == nil && (reply.Field1 != "OK" || reply.Field2 != 100) {
		return errReply
	}
	return err
}

func checkSmall(reply *pb.Pair, err error) error {
	if err == nil && reply.Second != 2 {
		return errReply
	}
	return err
}
