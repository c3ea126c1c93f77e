<?php
namespace Shop;

use Ratchet\ConnectionInterface;
use Ratchet\Wamp\WampServerInterface;

/** Lots are shown to everybody; whoever bids most until the time is up gets the lot. */
class Auction implements WampServerInterface {
    const STEP = 100;

    protected $lots = [];
    protected $topics = [];
    protected $bidders;

    public function __construct() {
        $this->bidders = new \SplObjectStorage;
    }

    public function onOpen(ConnectionInterface $conn) {
        parse_str($conn->httpRequest->getUri()->getQuery(), $query);

        $conn->Bidder = new \stdClass;
        $conn->Bidder->name = isset($query['name']) ? trim($query['name']) : '';
        if (empty($conn->Bidder->name)) {
            $conn->Bidder->name = "Bidder {$conn->resourceId}";
        }
        $this->bidders->attach($conn);

        echo "{$conn->Bidder->name} has come, " . count($this->bidders) . " are here\n";
    }

    public function onSubscribe(ConnectionInterface $conn, $topic) {
        if ($topic->getId() !== 'lots' && !isset($this->lots[$topic->getId()])) {
            $topic->remove($conn);
            return;
        }
        $this->topics[$topic->getId()] = $topic;

        if (isset($this->lots[$topic->getId()])) {
            $conn->event($topic, $this->lots[$topic->getId()]);
        }
    }

    public function onUnSubscribe(ConnectionInterface $conn, $topic) {}

    public function onCall(ConnectionInterface $conn, $id, $topic, array $params) {
        switch ($topic->getId()) {
            case 'lots':
                return $conn->callResult($id, array_values($this->lots));

            case 'bid':
                list($lotId, $amount) = $params;

                if (!array_key_exists($lotId, $this->lots)) {
                    return $conn->callError($id, 'auction/no-such-lot', "There is no lot $lotId");
                }
                $least = $this->lots[$lotId]['price'] + self::STEP;
                if (!is_numeric($amount) || $amount < $least) {
                    return $conn->callError($id, 'auction/too-low', "Bid $least or more");
                }
                $this->lots[$lotId]['price'] = (int) $amount;
                $this->lots[$lotId]['bidder'] = $conn->Bidder->name;
                $this->tell($lotId, $this->lots[$lotId], [$conn->WAMP->sessionId]);

                return $conn->callResult($id, $this->lots[$lotId]);

            default:
                return $conn->callError($id, 'auction/unknown', 'No such procedure');
        }
    }

    public function onPublish(ConnectionInterface $conn, $topic, $event, array $exclude, array $eligible) {
        // Nobody talks here but the auctioneer.
        $conn->close();
    }

    public function onClose(ConnectionInterface $conn) {
        $this->bidders->detach($conn);

        echo "{$conn->Bidder->name} has left\n";
    }

    public function onError(ConnectionInterface $conn, \Exception $e) {
        echo "An error has occurred: {$e->getMessage()}\n";
        $conn->close();
    }

    /** The site has a new lot: a JSON string that comes over ZeroMQ. */
    public function onLot($message) {
        $lot = json_decode($message, true);
        $lot['id'] = uniqid('lot-');
        $lot['bidder'] = null;
        $lot['ends'] = time() + $lot['seconds'];
        unset($lot['seconds']);

        $this->lots[$lot['id']] = $lot;
        $this->tell('lots', $lot);
    }

    /** Once a second: who has won? */
    public function tick() {
        foreach ($this->lots as $lotId => $lot) {
            if ($lot['ends'] <= time()) {
                unset($this->lots[$lotId]);
                $this->tell($lotId, ['sold' => $lot['bidder'], 'price' => $lot['price']]);
                unset($this->topics[$lotId]);
            }
        }
    }

    protected function tell($topicId, $event, array $exclude = []) {
        if (isset($this->topics[$topicId])) {
            $this->topics[$topicId]->broadcast($event, $exclude);
        }
    }
}
