// Serves a Kinesis in memory on loopback and prints its port; ends with its standard input.
const kinesalite = require(process.argv[2] + '/node_modules/kinesalite')
const server = kinesalite({ createStreamMs: 0, deleteStreamMs: 0, updateStreamMs: 50, shardLimit: 100 })
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
process.stdin.on('end', () => process.exit(0)).resume()
