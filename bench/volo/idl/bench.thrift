// The two messages of ../../proto/bench.proto, with the same fields.
namespace rs bench

struct Pair {
    1: required i64 first
    2: required i64 second
}

struct BenchmarkMessage {
    1: required string field1
    9: required string field9
    18: required string field18
    80: required bool field80
    81: required bool field81
    2: required i32 field2
    3: required i32 field3
    280: required i32 field280
    6: required i32 field6
    22: required i64 field22
    4: required string field4
    5: required list<i64> field5
    59: required bool field59
    7: required string field7
    16: required i32 field16
    130: required i32 field130
    12: required bool field12
    17: required bool field17
    13: required bool field13
    14: required bool field14
    104: required i32 field104
    100: required i32 field100
    101: required i32 field101
    102: required string field102
    103: required string field103
    29: required i32 field29
    30: required bool field30
    60: required i32 field60
    271: required i32 field271
    272: required i32 field272
    150: required i32 field150
    23: required i32 field23
    24: required bool field24
    25: required i32 field25
    78: required bool field78
    67: required i32 field67
    68: required i32 field68
    128: required i32 field128
    129: required string field129
    131: required i32 field131
}

service Bench {
    BenchmarkMessage big(1: BenchmarkMessage message)
    Pair small(1: Pair message)
}
