// Package explain says where the record of a destination comes from: which rows
// and columns each of its properties was made of, by which expression, and when
// it was sent. It asks nothing but the topics, so that it works beside running
// stages, or without them.
//
// What it gives holds row values. It is made for a person who asked.
package explain
