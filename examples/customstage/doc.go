// Command customstage lists the large files of a folder in a Markdown table, by a source, a transform and a sink of its
// own. It shows what a stage needs: one method.
//
//	go run ./examples/customstage -over 10000 pipeline large.md
//
//	Folder ──▶ LargerThan ──▶ Markdown
//
// folder.go is the source, largerthan.go the transform, markdown.go a sink that is all or nothing, and the tests of each
// use package pipelinetest.
package main
