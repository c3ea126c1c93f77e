<?php
require __DIR__ . '/vendor/autoload.php';

$loop = React\EventLoop\Factory::create();
$auction = new Shop\Auction;

$loop->addPeriodicTimer(1, [$auction, 'tick']);

$context = new React\ZMQ\Context($loop);
$pull = $context->getSocket(ZMQ::SOCKET_PULL);
$pull->bind('tcp://127.0.0.1:5555');
$pull->on('message', [$auction, 'onLot']);

$app = new Ratchet\App('localhost', 8080, '127.0.0.1', $loop);
$app->route('/auction', $auction);
$app->run();
