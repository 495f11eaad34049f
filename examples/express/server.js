const express = require("express");

const app = express();
const port = process.env.PORT || 3000;

app.get("/", (request, response) => response.send("hello from express\n"));

const server = app.listen(port, () => console.log(`listening on ${port}`));
process.on("SIGTERM", () => server.close());
