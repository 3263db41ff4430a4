"use strict";
new EventSource("/playground/events").addEventListener("state", (e) => { document.getElementById("x").textContent = JSON.stringify(JSON.parse(e.data).telegram.messages, null, 1); });
