// Tells the server the browser's time zone, so that pages show local times.
document.cookie = "tz=" + encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone) + "; Path=/; Max-Age=31536000; SameSite=Lax";
