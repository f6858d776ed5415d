// Boost.Interprocess behind a C interface. No exception leaves it: functions return 0, or -1.

#include <boost/interprocess/ipc/message_queue.hpp>
#include <boost/interprocess/mapped_region.hpp>
#include <boost/interprocess/offset_ptr.hpp>
#include <boost/interprocess/shared_memory_object.hpp>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/interprocess_semaphore.hpp>
#include <boost/version.hpp>
#include <cstddef>
#include <cstdint>
#include <new>

namespace ip = boost::interprocess;

static_assert(sizeof(ip::interprocess_mutex) <= 128, "room for a mutex");
static_assert(sizeof(ip::interprocess_semaphore) <= 128, "room for a semaphore");

template <typename F> static int guarded(F work) {
    try {
        return work();
    } catch (...) {
        return -1;
    }
}

extern "C" {

const char *shm_boost_version() { return BOOST_LIB_VERSION; }

int shm_boost_mutex_new(void *at) {
    return guarded([=] { return new (at) ip::interprocess_mutex, 0; });
}
int shm_boost_mutex_lock(void *at) {
    return guarded([=] { return static_cast<ip::interprocess_mutex *>(at)->lock(), 0; });
}
int shm_boost_mutex_try_lock(void *at) {
    return guarded([=] { return static_cast<ip::interprocess_mutex *>(at)->try_lock() ? 1 : 0; });
}
int shm_boost_mutex_unlock(void *at) {
    return guarded([=] { return static_cast<ip::interprocess_mutex *>(at)->unlock(), 0; });
}

int shm_boost_semaphore_new(void *at) {
    return guarded([=] { return new (at) ip::interprocess_semaphore(0), 0; });
}
int shm_boost_semaphore_post(void *at) {
    return guarded([=] { return static_cast<ip::interprocess_semaphore *>(at)->post(), 0; });
}
int shm_boost_semaphore_wait(void *at) {
    return guarded([=] { return static_cast<ip::interprocess_semaphore *>(at)->wait(), 0; });
}

void *shm_boost_queue_create(const char *name, size_t count, size_t size) {
    try {
        return new ip::message_queue(ip::create_only, name, count, size);
    } catch (...) {
        return nullptr;
    }
}
void *shm_boost_queue_open(const char *name) {
    try {
        return new ip::message_queue(ip::open_only, name);
    } catch (...) {
        return nullptr;
    }
}
int shm_boost_queue_send(void *queue, const void *message, size_t size) {
    return guarded([=] { return static_cast<ip::message_queue *>(queue)->send(message, size, 0), 0; });
}
int shm_boost_queue_receive(void *queue, void *message, size_t size) {
    return guarded([=] {
        ip::message_queue::size_type received;
        unsigned int priority;
        static_cast<ip::message_queue *>(queue)->receive(message, size, received, priority);
        return received == size ? 0 : -1;
    });
}
void shm_boost_queue_close(void *queue) { delete static_cast<ip::message_queue *>(queue); }
void shm_boost_queue_remove(const char *name) { ip::message_queue::remove(name); }

// Creates, maps, writes a byte, unmaps and removes.
int shm_boost_create(const char *name, size_t size) {
    return guarded([=] {
        {
            ip::shared_memory_object object(ip::create_only, name, ip::read_write);
            object.truncate(size);
            ip::mapped_region region(object, ip::read_write);
            *static_cast<volatile char *>(region.get_address()) = 1;
        }
        return ip::shared_memory_object::remove(name) ? 0 : -1;
    });
}
// Opens, maps, reads a byte and unmaps.
int shm_boost_attach(const char *name) {
    return guarded([=] {
        ip::shared_memory_object object(ip::open_only, name, ip::read_write);
        ip::mapped_region region(object, ip::read_write);
        return *static_cast<volatile char *>(region.get_address()) ? 0 : 0;
    });
}

void shm_boost_offset_set(void *at, uint64_t *to) { new (at) ip::offset_ptr<uint64_t>(to); }
uint64_t shm_boost_offset_get(const void *at) { return **static_cast<const ip::offset_ptr<uint64_t> *>(at); }
}
