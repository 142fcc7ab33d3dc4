// Package e2e tests the page and the console in a real browser, headless Chromium.
//
//	Chromium ──▶ console.Handler   the documents, as the binary serves them
//	         └─▶ fake              an API that answers what a test wants, in the types of the real one
//
// The browser is looked for as chromium, chromium-browser and google-chrome; CHROMIUM names another. With
// E2E_PICTURES=DIR, pictures of each view are kept in that folder.
package e2e
