// Before anything is painted: the colours that were chosen by hand. Not a module, which would run too late.
try {
  const theme = localStorage.getItem('millrace.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch { /* a browser that keeps nothing */ }
