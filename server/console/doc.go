// Package console is what people see of Millrace in a browser: two documents, made of
// plain HTML, CSS and ES modules that a browser loads as they are.
//
//	/                 index.html    the console: all pipelines
//	/pipelines/NAME     "           one pipeline: graph, runs by stages
//	/runs/ID            "           one run: figures, timeline, log, rejects
//	/welcome          welcome.html  the first page: what is in the database
//	/assets/...                     modules and styles of both
//	/config.json                    where each document finds the other
//
// [Handler] serves them from the binary; nginx serves the same files from the folder
// web. Everything else that they show comes from the API on their own origin, under
// /api.
//
// # The contract
//
// No script, style, font or picture comes from elsewhere, and none is inline: [Policy]
// allows nothing but files of the same origin, and no HTML to be made from text. What
// the API answers becomes text nodes and attributes.
//
// Every view has a URL that holds its whole state. Nothing is kept in the browser but
// the choice of colours (localStorage) and, until the tab is closed, the API's token
// (sessionStorage).
//
// Each module of web/assets holds one idea and says in its first lines which.
// index.html and welcome.html name all modules that they need, so that a browser asks
// for them at once.
package console
