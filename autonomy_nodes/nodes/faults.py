"""Which fault of `status.FAULTS` it is that a sensor's topic is silent, or that a message of it cannot be read."""

from autonomy_nodes.messages.topics import CAMERA_INFO, IMAGE_COMPRESSED, IMAGE_RAW, LIDAR_RAW, Topic

_SILENT = {LIDAR_RAW.type: 'F02', IMAGE_RAW.type: 'F01', IMAGE_COMPRESSED.type: 'F01'}
_UNREADABLE = {LIDAR_RAW.type: 'F12', IMAGE_RAW.type: 'F13', IMAGE_COMPRESSED.type: 'F13', CAMERA_INFO.type: 'F14'}


def of_silence(topic: Topic) -> str:
    """Return the fault where nothing comes on a topic; nothing for those of nodes, of which safety hears otherwise."""
    return _SILENT.get(topic.type, '') if topic.given_by == 'vehicle' else ''


def of_message(topic: Topic) -> str:
    """Return the fault where a message cannot be read; nothing for those of nodes."""
    return _UNREADABLE.get(topic.type, '') if topic.given_by == 'vehicle' else ''
