// Package deploytest holds the deployment to what docs/deployment.md says of it: docker-compose.yml, the images, and
// what happens when parts of it die, come back or are set up wrongly.
//
//	go test ./internal/deploytest                           what the files say: needs nothing
//	MILLRACE_DEPLOYMENT=1 go test ./internal/deploytest     brings it up: needs Docker and its Compose
//
// A deployment that a test brings up has a name of its own, ports that were free, and is taken down with its volume
// whatever the test's end. The images stay, tagged e2e.
package deploytest
