// The console: what is on every page of it, and which view a URL shows.

import { h } from './dom.js';
import { onToken } from './api.js';
import { askToken } from './dialogs.js';
import { failure } from './parts.js';
import { pipelinesView } from './pipelines.js';
import { pipelineView } from './pipeline.js';
import { runView } from './run.js';
import { start } from './router.js';
import { connectionSign, firstPageLink, themeButton } from './frame.js';
import { startTips } from './tip.js';

function missingView({ root }) {
  document.title = 'Not found · Millrace';
  root.append(h('h1', { tabindex: -1 }, 'There is no such page'), failure(new Error('The address may have been cut off.')));
}

onToken(askToken);
startTips();
themeButton(document.getElementById('theme'));
connectionSign(document.getElementById('link'));
firstPageLink(document.getElementById('first-page'));
addEventListener('unhandledrejection', (e) => {
  if (e.reason?.name === 'AbortError') e.preventDefault(); // a view that was left
});
start(document.getElementById('main'), [
  { pattern: /^\/(?:index\.html)?$/, view: pipelinesView },
  { pattern: /^\/pipelines\/([^/]+)\/?$/, view: pipelineView },
  { pattern: /^\/runs\/([^/]+)\/?$/, view: runView },
  { pattern: /^\/(?:pipelines|runs)(?:\/|$)/, view: missingView },
]);
