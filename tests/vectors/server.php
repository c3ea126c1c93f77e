<?php
/**
 * The applications of the vectors on PHP Ratchet: php server.php AUTOLOAD PORT
 *
 * AUTOLOAD is the vendor/autoload.php of a project that has cboden/ratchet. A loop of PHP's own streams
 * takes the place of React's, so that nothing but Ratchet is tried.
 */
use Ratchet\ConnectionInterface;
use Ratchet\Http\{HttpServer, OriginCheck, Router};
use Ratchet\MessageComponentInterface;
use Ratchet\Wamp\{WampServer, WampServerInterface};
use Ratchet\WebSocket\{WsServer, WsServerInterface};
use Symfony\Component\Routing\Matcher\UrlMatcher;
use Symfony\Component\Routing\{RequestContext, Route, RouteCollection};

error_reporting(E_ALL & ~E_DEPRECATED & ~E_WARNING & ~E_NOTICE);
require $argv[1];

class Acts implements MessageComponentInterface {
    public function onOpen(ConnectionInterface $conn) {}

    public function onMessage(ConnectionInterface $conn, $msg) {
        if ($msg === 'fail') {
            throw new \RuntimeException('as it was told');
        }
        if ($msg === 'close' || $msg === 'close bye') {
            $conn->close();
        }
        if ($msg !== 'close') {
            $conn->send($msg);
        }
    }

    public function onClose(ConnectionInterface $conn) {}

    public function onError(ConnectionInterface $conn, \Exception $e) {
        $conn->send('error: ' . $e->getMessage());
    }
}

class Chat extends Acts implements WsServerInterface {
    public function getSubProtocols() {
        return ['chat.v2', 'chat'];
    }
}

class Wamp implements WampServerInterface {
    public function onCall(ConnectionInterface $conn, $id, $topic, array $params) {
        switch ((string)$topic) {
            case 'params': $conn->callResult($id, $params); break;
            case 'nothing': $conn->callResult($id); break;
            case 'silent': break;
            case 'described': $conn->callError($id, $topic, 'what went wrong'); break;
            case 'detailed':
                $conn->callError($id, 'http://example.com/error', 'what went wrong', ['more' => 1]);
                break;
            default: $conn->callError($id, $topic);
        }
    }

    public function onSubscribe(ConnectionInterface $conn, $topic) {
        if ((string)$topic === 'told') {
            $topic->broadcast('subscribed');
        }
    }

    public function onUnSubscribe(ConnectionInterface $conn, $topic) {
        if ((string)$topic === 'told') {
            $topic->broadcast('unsubscribed');
        }
    }

    public function onPublish(ConnectionInterface $conn, $topic, $event, array $exclude, array $eligible) {
        $topic->broadcast($event, $exclude, $eligible);
    }

    public function onOpen(ConnectionInterface $conn) {}

    public function onClose(ConnectionInterface $conn) {}

    public function onError(ConnectionInterface $conn, \Exception $e) {
        $conn->close();
    }
}

/** What Ratchet\Server\IoConnection is, without React. */
class Client implements ConnectionInterface {
    public $open = true;

    public function __construct(public $stream) {}

    public function send($data) {
        if ($this->open) {
            fwrite($this->stream, $data);
        }
        return $this;
    }

    public function close() {
        $this->open = false;
    }
}

$lenient = new WsServer(new Chat);
$lenient->setStrictSubProtocolCheck(false);
$routes = new RouteCollection;
foreach (['echo' => new WsServer(new Acts), 'chat' => new WsServer(new Chat), 'lenient' => $lenient,
          'wamp' => new WsServer(new WampServer(new Wamp))] as $name => $component) {
    // As Ratchet\App::route does it.
    $routes->add($name, new Route("/$name", ['_controller' => new OriginCheck($component, ['localhost'])],
        ['Origin' => 'localhost'], [], 'localhost', [], ['GET']));
}
// For any host and any page.
$routes->add('any', new Route('/any', ['_controller' => new WsServer(new Acts)], [], [], '', [], ['GET']));
$app = new HttpServer(new Router(new UrlMatcher($routes, new RequestContext)));

$server = stream_socket_server("tcp://127.0.0.1:$argv[2]") or exit(1);
echo 'port ', explode(':', stream_socket_get_name($server, false))[1], "\n";
$clients = [];
while (true) {
    $read = array_merge([$server], array_map(fn($client) => $client->stream, array_values($clients)));
    $write = $except = null;
    stream_select($read, $write, $except, null);
    foreach ($read as $stream) {
        if ($stream === $server) {
            $client = new Client(stream_socket_accept($server));
            $clients[(int)$client->stream] = $client;
            $app->onOpen($client);
            continue;
        }
        $client = $clients[(int)$stream];
        $data = fread($stream, 65536);
        try {
            if ($data !== '' && $data !== false) {
                $app->onMessage($client, $data);
            } else {
                $client->close();
            }
        } catch (\Exception $e) {
            $app->onError($client, $e);
        }
        if (!$client->open) {
            unset($clients[(int)$stream]);
            stream_socket_shutdown($stream, STREAM_SHUT_WR);
            try {
                $app->onClose($client);
            } catch (\Exception $e) {
                $app->onError($client, $e);
            }
            fclose($stream);
        }
    }
}
